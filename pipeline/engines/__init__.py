"""The engines: `local` (this process or a pool of processes) and `cluster` (Ray); `exchange` is the storage they share."""
