"""What every object of an information system must be, each rule written once and enforced in three places."""
