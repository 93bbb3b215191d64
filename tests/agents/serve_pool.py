"""A server over the test pool, to be started, killed and started again: FOLDER PORT [STORE]."""

import sys
from pathlib import Path

import numpy as np
from live_world import opened, pool

from reid_al_agents.annotate.server.serving import make_access, serve

folder, port = Path(sys.argv[1]), int(sys.argv[2])
features = pool(int(sys.argv[4]) if len(sys.argv) > 4 else 150, 6, noise=0.7)
if not (folder / "features.npz").exists():
    np.savez(folder / "features.npz", features=features.features)
url = sys.argv[3] if len(sys.argv) > 3 and sys.argv[3] else None
access, _ = make_access(folder, "127.0.0.1", (), ())
with opened(folder, features, url=url, overlap=1.0) as made:
    serve(made, access, "127.0.0.1", port, "test pool", lambda: print("ready", flush=True))
