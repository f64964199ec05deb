"""Statements that the torture test sends to the database itself."""

# A log of every revision of a message: an edit overwrites the message's own.
REVISION_LOG = """
    CREATE TABLE revision_log (room_id bigint, revision bigint);
    CREATE FUNCTION log_revision() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO revision_log VALUES (NEW.room_id, NEW.revision); RETURN NULL; END $$;
    CREATE TRIGGER log_revision AFTER INSERT OR UPDATE OF revision ON messages
        FOR EACH ROW EXECUTE FUNCTION log_revision();
"""

# Changes of messages fail when they are committed, and not before, until a moment.
REFUSED_COMMITS = """
    CREATE TABLE refused_commits (until timestamptz);
    INSERT INTO refused_commits VALUES ('-infinity');
    CREATE FUNCTION refuse_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF clock_timestamp() < (SELECT until FROM refused_commits) THEN
            RAISE EXCEPTION 'commits are refused' USING ERRCODE = 'disk_full';
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER refuse_commit AFTER INSERT OR UPDATE ON messages
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse_commit();
"""
REFUSE_COMMITS = "UPDATE refused_commits SET until = clock_timestamp() + make_interval(secs => $1)"

# As if an older backup had been restored: the newest messages never happened, and their revisions will come again.
RESTORE = """
    CREATE TEMP TABLE undone AS
        SELECT id, room_id FROM (
            SELECT id, room_id, row_number() OVER (PARTITION BY room_id ORDER BY position DESC) AS age FROM messages
        ) AS aged WHERE age <= 3;
    DELETE FROM messages WHERE id IN (SELECT id FROM undone);
    UPDATE rooms SET
        message_count = (SELECT count(*) FROM messages WHERE room_id = rooms.id),
        revision = (SELECT coalesce(max(revision), 0) FROM messages WHERE room_id = rooms.id);
    UPDATE installation SET epoch = gen_random_uuid();
"""
