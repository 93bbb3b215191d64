"""``python -m reid_al_agents.cli`` is ``reid-al``."""

from reid_al_agents.cli import main

main()
