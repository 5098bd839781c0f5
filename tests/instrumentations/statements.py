"""Statements that PostgreSQL refuses, each followed by the SQLSTATE it answers, which is what the stand-in goes by."""

STATEMENTS = {
    "duplicate": "CREATE TEMP TABLE account (id INT PRIMARY KEY); INSERT INTO account VALUES (1), (1) -- 23505",
    "missing table": "SELECT * FROM missing -- 42P01",
    "division by zero": "SELECT 1 / 0 -- 22012",
    "statement timeout": "SET statement_timeout = 10; SELECT pg_sleep(30) -- 57014",
    "serialization": "DO $$ BEGIN RAISE SQLSTATE '40001'; END $$ -- 40001",
    "shutting down": "DO $$ BEGIN RAISE SQLSTATE '57P01'; END $$ -- 57P01",
    "read only": "SET TRANSACTION READ ONLY; CREATE TABLE account (id INT) -- 25006",
}
