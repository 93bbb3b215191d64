"""Answers and identities for other programs, and answers from them: all formats in one place."""

from reid_al_agents.log.camtrap_package import camtrap_tables
from reid_al_agents.log.identity_folders import write_identity_folders
from reid_al_agents.log.label_studio import (
    LABEL_STUDIO_CONFIG,
    LOCAL_FILES,
    label_studio_json,
)
from reid_al_agents.log.market1501_folder import write_market1501
from reid_al_agents.log.pairs_csv import read_pairs_csv
from reid_al_agents.log.reading import read_import
from reid_al_agents.log.tables import (
    PAIR_COLUMNS,
    events_jsonl,
    identities_csv,
    pairs_csv,
    wildlife_csv,
)

__all__ = [
    "LABEL_STUDIO_CONFIG",
    "LOCAL_FILES",
    "PAIR_COLUMNS",
    "camtrap_tables",
    "events_jsonl",
    "identities_csv",
    "label_studio_json",
    "pairs_csv",
    "read_import",
    "read_pairs_csv",
    "wildlife_csv",
    "write_identity_folders",
    "write_market1501",
]
