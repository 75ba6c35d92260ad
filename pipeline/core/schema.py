"""The catalogue's tables as ordered migrations. Never edit one that has been released: add the next."""

MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE episodes (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, path TEXT NOT NULL, sha256 TEXT NOT NULL, size_bytes INTEGER NOT NULL,
        width INTEGER NOT NULL, height INTEGER NOT NULL, time_base TEXT NOT NULL, frames INTEGER NOT NULL,
        start_pts INTEGER NOT NULL, end_pts INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE shots (
        id TEXT PRIMARY KEY, episode TEXT NOT NULL REFERENCES episodes(id), start_pts INTEGER NOT NULL,
        end_pts INTEGER NOT NULL, frames INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX shots_episode ON shots(episode);
    CREATE TABLE holds (
        id TEXT PRIMARY KEY, episode TEXT NOT NULL REFERENCES episodes(id), shot TEXT NOT NULL,
        start_pts INTEGER NOT NULL, end_pts INTEGER NOT NULL, frames INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX holds_episode ON holds(episode);
    CREATE TABLE detections (
        id TEXT PRIMARY KEY, episode TEXT NOT NULL REFERENCES episodes(id), shot TEXT NOT NULL, pts INTEGER NOT NULL,
        "left" INTEGER NOT NULL, top INTEGER NOT NULL, "right" INTEGER NOT NULL, bottom INTEGER NOT NULL,
        character TEXT NOT NULL, cascade TEXT NOT NULL, score REAL NOT NULL, track TEXT NOT NULL
    ) STRICT;
    CREATE INDEX detections_episode ON detections(episode, pts);
    CREATE TABLE tracks (
        id TEXT PRIMARY KEY, episode TEXT NOT NULL REFERENCES episodes(id), shot TEXT NOT NULL,
        character TEXT NOT NULL, start_pts INTEGER NOT NULL, end_pts INTEGER NOT NULL, detections INTEGER NOT NULL,
        score REAL NOT NULL
    ) STRICT;
    CREATE INDEX tracks_episode ON tracks(episode);
    CREATE TABLE crops (
        id TEXT PRIMARY KEY, episode TEXT NOT NULL REFERENCES episodes(id), shot TEXT NOT NULL, track TEXT NOT NULL,
        pts INTEGER NOT NULL, "left" INTEGER NOT NULL, top INTEGER NOT NULL, "right" INTEGER NOT NULL,
        bottom INTEGER NOT NULL, character TEXT NOT NULL, cascade TEXT NOT NULL, score REAL NOT NULL,
        sharpness REAL NOT NULL, sha256 TEXT NOT NULL
    ) STRICT;
    CREATE INDEX crops_episode ON crops(episode, pts);
    CREATE TABLE duplicates (
        id TEXT PRIMARY KEY, kept TEXT NOT NULL, members TEXT NOT NULL, diameter_bits INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE hashes (
        crop TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (crop, kind)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE labels (
        id TEXT PRIMARY KEY, crop TEXT NOT NULL, emotion TEXT NOT NULL, character TEXT NOT NULL,
        annotator TEXT NOT NULL, source TEXT NOT NULL, created TEXT NOT NULL
    ) STRICT;
    CREATE INDEX labels_crop ON labels(crop);
    CREATE TABLE tasks (
        id TEXT PRIMARY KEY, project TEXT NOT NULL, item TEXT NOT NULL, created TEXT NOT NULL
    ) STRICT;
    CREATE TABLE datasets (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, digest TEXT NOT NULL, parent TEXT NOT NULL,
        path TEXT NOT NULL, examples INTEGER NOT NULL, created TEXT NOT NULL
    ) STRICT;
    CREATE TABLE cascades (
        id TEXT PRIMARY KEY, character TEXT NOT NULL, sha256 TEXT NOT NULL, card TEXT NOT NULL, created TEXT NOT NULL
    ) STRICT;
    CREATE TABLE runs (
        id TEXT PRIMARY KEY, stage TEXT NOT NULL, item TEXT NOT NULL, options TEXT NOT NULL, digest TEXT NOT NULL,
        status TEXT NOT NULL, reason TEXT NOT NULL, counts TEXT NOT NULL, seconds REAL NOT NULL, finished TEXT NOT NULL
    ) STRICT;
    CREATE INDEX runs_stage ON runs(stage, status);
    """,
    """
    CREATE TABLE chunks (
        id TEXT PRIMARY KEY, episode TEXT NOT NULL, digest TEXT NOT NULL, end_pts INTEGER NOT NULL,
        counts TEXT NOT NULL, rows TEXT NOT NULL
    ) STRICT;
    CREATE INDEX chunks_episode ON chunks(episode, end_pts);
    """,
    """
    CREATE TABLE components (id TEXT PRIMARY KEY, members TEXT NOT NULL) STRICT
    """,
    """
    CREATE TABLE prints (
        id TEXT PRIMARY KEY, episode TEXT NOT NULL REFERENCES episodes(id), start_milliseconds INTEGER NOT NULL,
        length_milliseconds INTEGER NOT NULL, anchors TEXT NOT NULL, drawings TEXT NOT NULL
    ) STRICT;
    CREATE INDEX prints_episode ON prints(episode);
    CREATE TABLE repeats (
        id TEXT PRIMARY KEY, episode TEXT NOT NULL REFERENCES episodes(id), "group" TEXT NOT NULL, kind TEXT NOT NULL
    ) STRICT;
    CREATE INDEX repeats_episode ON repeats(episode);
    ALTER TABLE shots ADD COLUMN transition TEXT NOT NULL DEFAULT 'cut';
    """,
    """
    ALTER TABLE labels ADD COLUMN seconds REAL NOT NULL DEFAULT 0;
    ALTER TABLE labels ADD COLUMN annotation TEXT NOT NULL DEFAULT '';
    ALTER TABLE labels ADD COLUMN prediction TEXT NOT NULL DEFAULT '';
    ALTER TABLE labels ADD COLUMN via TEXT NOT NULL DEFAULT '';
    ALTER TABLE labels ADD COLUMN withdrawn TEXT NOT NULL DEFAULT '';
    """,
    """
    ALTER TABLE tasks ADD COLUMN number INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX tasks_project ON tasks(project);
    CREATE INDEX labels_source ON labels(source);
    """,
    """
    CREATE TABLE searched (
        id TEXT PRIMARY KEY, episode TEXT NOT NULL, digest TEXT NOT NULL, end_pts INTEGER NOT NULL, rows TEXT NOT NULL
    ) STRICT;
    CREATE INDEX searched_episode ON searched(episode, end_pts);
    """,
)
