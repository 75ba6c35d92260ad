"""Truth as people keep it: files, folders and a workspace's labels, read into boxes on pictures or into patches."""
