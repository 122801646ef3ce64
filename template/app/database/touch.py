"""The trigger that keeps `updated_at` and `version`, whoever writes: the application, a migration, a person in psql."""

CREATE_FUNCTION = (
    "CREATE OR REPLACE FUNCTION app.touch_row() RETURNS trigger LANGUAGE plpgsql AS "
    "$$ BEGIN NEW.updated_at := now(); NEW.version := OLD.version + 1; RETURN NEW; END $$"
)
DROP_FUNCTION = "DROP FUNCTION app.touch_row()"


def create_trigger(table: str) -> str:
    """Return the statement that gives a table of the schema `app` its trigger."""
    when = f"BEFORE UPDATE ON app.{table} FOR EACH ROW"
    return f"CREATE OR REPLACE TRIGGER touch_row {when} EXECUTE FUNCTION app.touch_row()"
