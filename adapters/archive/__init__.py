"""Evidence containers as files: ZIPs written (`writing.py`) and read by who trusts nobody (`opened.py`)."""
