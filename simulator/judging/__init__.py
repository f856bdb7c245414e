"""
Judging: what was seen against what was expected; pure, and reads nothing but the ledger.
"""
