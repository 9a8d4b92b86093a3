"""Deploys one release of one system as its pipeline does: judged before, tried after, put back if it fails."""
