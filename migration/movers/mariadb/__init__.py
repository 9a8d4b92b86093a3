"""The mover of MariaDB: `__main__` is the program, `job` its order, `filling` and `switch` what it does, in phases."""
