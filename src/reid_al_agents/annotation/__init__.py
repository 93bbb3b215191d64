"""Answers about pairs: kept on disk before anything learns from them, replayed on resume, exported."""

from reid_al_agents.annotation.export import export_identities_csv, export_pairs_csv
from reid_al_agents.annotation.logged_oracle import LoggedOracle
from reid_al_agents.annotation.pair_log import PairAnswer, PairLog

__all__ = ["LoggedOracle", "PairAnswer", "PairLog", "export_identities_csv", "export_pairs_csv"]
