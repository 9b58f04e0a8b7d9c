FLASK_APP=ledger.py:site
