"""Two private MariaDB servers, an application that keeps a ledger, and the mover between them."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pymysql
from pydantic import SecretStr

from lab import mariadb_server
from lab.loopback import HOST, free_ports
from lab.mariadb_server import MariadbServer
from migration.movers.mariadb.job import MariadbJob, Reach
from migration.movers.mariadb.job import MariadbServer as Place
from tests.support import killed
from tests.support.application import Application
from tests.support.killed import Ended
from tests.support.local_servers import PASSWORD, certificates

DATABASES = ("portal", "-Đất đai_1")
APPLICATION = "app"
_SETTINGS = {
    "log-bin": "log", "log-slave-updates": "ON", "binlog-format": "ROW", "ssl-cert": "{folder}/server.crt",
    "ssl-key": "{folder}/server.key", "character-set-server": "utf8mb4", "collation-server": "utf8mb4_general_ci",
}  # fmt: skip

SAMPLE = r"""
CREATE DATABASE portal CHARACTER SET utf8mb4;
CREATE DATABASE `-Đất đai_1` CHARACTER SET utf8mb3 COLLATE utf8mb3_unicode_ci;
USE portal;
CREATE TABLE dossier (
    id int unsigned AUTO_INCREMENT PRIMARY KEY, name varchar(60) NOT NULL, `tỷ lệ %` float, weight double,
    fee decimal(12,2), state enum('received','done') NOT NULL DEFAULT 'received', marks set('x','y','z'), flags bit(9),
    raw blob, form longtext CHECK (json_valid(form)), seen timestamp(6) NULL, came datetime, stays time(3),
    of_year year,
    twice int AS (of_year * 2) VIRTUAL, search varchar(80) AS (concat(name, '!')) STORED,
    hidden int INVISIBLE DEFAULT 7, place point, code char(5), tail binary(4), old varchar(20) CHARACTER SET latin1,
    address inet6,
    KEY (came), FULLTEXT KEY (name)
) ENGINE=InnoDB;
CREATE TABLE digits (i int PRIMARY KEY);
INSERT INTO digits VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
INSERT INTO dossier (name, `tỷ lệ %`, weight, fee, state, marks, flags, raw, form, seen, came, stays, of_year, place,
        code, tail, old, address)
    SELECT concat('Nguyễn Văn ', a.i, b.i, c.i), a.i / 7, b.i / 3, c.i * 1.5, 1 + a.i % 2, 'x,z', b'101000001',
        unhex(md5(concat(a.i, b.i))), json_object('n', c.i), '2026-01-01 01:02:03.123456', '2026-02-03 04:05:06',
        '-12:00:00.125', 2026, point(a.i, b.i), 'a  ', 0x00FF, 'café', '::1'
    FROM digits a, digits b, digits c;
INSERT INTO dossier (name, weight, came) VALUES ('', 1e300, NULL), ('''quoted'' \\ and \n', 1e-300, NULL);
CREATE TABLE step (
    id bigint AUTO_INCREMENT PRIMARY KEY, dossier_id int unsigned, note text,
    FOREIGN KEY (dossier_id) REFERENCES dossier (id) ON DELETE CASCADE
) ENGINE=InnoDB;
INSERT INTO step (dossier_id, note) SELECT id, repeat('bước ', 20) FROM dossier;
CREATE TABLE ledger (id bigint PRIMARY KEY, word varchar(40) NOT NULL, at timestamp NOT NULL DEFAULT now());
CREATE TABLE visit (at datetime NOT NULL, page varchar(40)) ENGINE=InnoDB;
INSERT INTO visit VALUES (now(), 'một'), (now(), 'một'), (now(), NULL);
CREATE TABLE counted (id int AUTO_INCREMENT PRIMARY KEY, n int NOT NULL) ENGINE=InnoDB;
INSERT INTO counted (n) VALUES (1), (2);
CREATE TABLE told (id int AUTO_INCREMENT PRIMARY KEY, what varchar(60)) ENGINE=InnoDB;
CREATE TABLE month (id int, at date, PRIMARY KEY (id, at)) ENGINE=InnoDB PARTITION BY HASH (month(at)) PARTITIONS 3;
INSERT INTO month VALUES (1, '2026-01-01'), (2, '2026-02-01');
CREATE SEQUENCE number_seq START WITH 100 INCREMENT BY 10 CACHE 5;
SELECT nextval(number_seq);
CREATE VIEW open_dossiers AS SELECT id, name FROM dossier WHERE state = 'received';
USE `-Đất đai_1`;
CREATE TABLE `thửa ``cũ``` (`số` int PRIMARY KEY, `tên đầy đủ` varchar(30)) ENGINE=InnoDB;
INSERT INTO `thửa ``cũ``` VALUES (1, 'một'), (2, NULL);
"""
PROGRAMS = (
    "CREATE DEFINER=app@`%` TRIGGER portal.tell AFTER INSERT ON portal.counted FOR EACH ROW"
    " INSERT INTO portal.told (what) VALUES (concat('counted ', NEW.id))",
    "CREATE DEFINER=app@`%` EVENT portal.tick ON SCHEDULE EVERY 1 SECOND"
    " DO INSERT INTO portal.told (what) VALUES ('tick')",
    "CREATE DEFINER=app@`%` EVENT portal.never ON SCHEDULE EVERY 1 SECOND DISABLE DO SELECT 1",
    "CREATE DEFINER=app@`%` PROCEDURE portal.greet()\nBEGIN\r\n  SELECT 'chào';\nEND",
    "CREATE DEFINER=app@`%` FUNCTION portal.twice(n int) RETURNS int DETERMINISTIC RETURN n * 2",
)


@dataclass
class Pair:
    """A source with everything in it and an empty target."""

    folder: Path
    source: MariadbServer
    target: MariadbServer
    turn: int = 0

    def job(self, **other: Any) -> MariadbJob:
        """Return the order, each time of a later turn."""
        self.turn += 1

        def place(server: MariadbServer) -> Place:
            return Place(
                host=HOST, port=server.port, user="mover", password=SecretStr(PASSWORD), tls_root=self.folder / "ca.pem"
            )

        def reach(server: MariadbServer) -> Reach:
            return Reach(host=HOST, port=server.port, tls_root=str(self.folder / "ca.pem"))

        return MariadbJob(
            **{
                "system": "portal", "token": self.turn, "source": place(self.source), "target": place(self.target),
                "databases": DATABASES, "feed": reach(self.source), "back": reach(self.target),
                "programs": self.target.programs.folder, **other,
            }
        )  # fmt: skip

    def traces(self) -> dict[str, Any]:
        """Return what a move might leave behind at the source."""
        asked = {
            "accounts": "SELECT User, Host FROM mysql.user ORDER BY 1, 2",
            "databases": "SHOW DATABASES",
            "channels": "SHOW ALL SLAVES STATUS",
            "events": "SELECT EVENT_SCHEMA, EVENT_NAME, STATUS, DEFINER FROM information_schema.EVENTS ORDER BY 1, 2",
            "read-only": "SELECT @@GLOBAL.read_only",
            "applied": "SELECT @@GLOBAL.gtid_slave_pos",
            "tables": "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES"
            " WHERE TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema', 'sys', 'mysql') ORDER BY 1, 2",
        }
        return {name: self.source.run(query) for name, query in asked.items()}


def start(folder: Path) -> Pair:
    """Start both servers and fill the source."""
    found = mariadb_server.programs()
    assert found is not None
    ports = free_ports(2)
    servers = []
    for number, name in enumerate(("source", "target")):
        own = folder / name
        certs = folder / f"{name}-tls"
        certs.mkdir()
        certificates(folder, certs, owner=None)
        settings = {key: value.format(folder=certs) for key, value in _SETTINGS.items()}
        settings |= {"server-id": str(number + 1), "event-scheduler": "OFF" if number else "ON"}
        servers.append(MariadbServer(own, found[number], ports[number], PASSWORD, settings))
    pair = Pair(folder, *servers)
    for server in servers:
        server.start()
        escaped = pymysql.converters.escape_string(PASSWORD)
        server.run(
            f"CREATE USER mover@`{HOST}` IDENTIFIED BY '{escaped}' REQUIRE SSL;"
            f"GRANT ALL PRIVILEGES ON *.* TO mover@`{HOST}` WITH GRANT OPTION;"
            f"CREATE USER {APPLICATION}@`%` IDENTIFIED BY '{escaped}';",
            unlogged=True,
        )
        for database in DATABASES:
            pattern = database.replace("_", r"\_")
            server.run(f"GRANT ALL ON `{pattern}`.* TO {APPLICATION}@`%`", unlogged=True)
    pair.source.run(SAMPLE)
    for statement in PROGRAMS:
        pair.source.run(statement)
    return pair


@dataclass
class Writer(Application):
    """The application: every acknowledged number is remembered; where it writes to may change."""

    server: MariadbServer
    acknowledged: list[int] = field(default_factory=list)
    refused: int = 0

    def _run(self) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                with self.server.session("portal", APPLICATION) as session, session.cursor() as cursor:
                    while not self._stop.is_set():
                        number += 1
                        self._write(session, cursor, number)
                        self.acknowledged.append(number)
                        time.sleep(0.005)
            except pymysql.err.MySQLError:
                self.refused += 1
                time.sleep(0.02)

    def _write(self, session: Any, cursor: Any, number: int) -> None:
        session.begin()
        cursor.execute("INSERT INTO ledger (id, word) VALUES (%s, md5(%s))", (number, number))
        if number % 3 == 0:
            cursor.execute("UPDATE ledger SET word = 'sửa' WHERE id = %s", (number - 1,))
        if number % 7 == 0:
            cursor.execute("UPDATE visit SET at = now() LIMIT 1")
        if number % 11 == 0:
            cursor.execute("INSERT INTO counted (n) VALUES (1)")
            cursor.execute("DO nextval(number_seq)")
            cursor.execute("UPDATE dossier SET `tỷ lệ %%` = `tỷ lệ %%` + 0.1 WHERE id = %s", (1 + number % 900,))
        if number % 13 == 0:  # what is rolled back has used a number up
            cursor.execute("INSERT INTO counted (n) VALUES (1)")
            session.rollback()
            session.begin()
            cursor.execute("INSERT INTO ledger (id, word) VALUES (%s, 'x')", (number,))
        session.commit()


def numbers(server: MariadbServer) -> list[int]:
    """Return the ledger of one side."""
    return [number for (number,) in server.run("SELECT id FROM portal.ledger ORDER BY id")]


def run(
    job: MariadbJob, folder: Path, verb: str = "move", *, kill_at: str | None = None,
    by: signal.Signals = signal.SIGKILL,
) -> Ended:  # fmt: skip
    """Run the mover as a program of its own, and send it a signal in the phase `kill_at`."""
    return killed.run("migration.movers.mariadb", job.as_json(), folder, ["--do", verb], kill_at=kill_at, by=by)
