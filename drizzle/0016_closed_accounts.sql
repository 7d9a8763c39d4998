CREATE INDEX "ledger_by_actor" ON "ledger" USING btree ("actor") WHERE actor is not null;
--> statement-breakpoint

-- Entries still never change what they are worth or whose they are. Words in them may go when their person deletes the account: the
-- reason, the identity that gave or took, and the identity in the key of a welcome grant, which is replaced by its HMAC.
DROP TRIGGER ledger_refuse_change ON ledger;
--> statement-breakpoint
CREATE TRIGGER ledger_refuse_change BEFORE DELETE OR TRUNCATE ON ledger
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
--> statement-breakpoint
CREATE FUNCTION ledger_refuse_update() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (NEW.id, NEW.user_id, NEW.generation_id, NEW.kind, NEW.amount, NEW.held, NEW.debt, NEW.source, NEW.created_at)
      IS DISTINCT FROM
      (OLD.id, OLD.user_id, OLD.generation_id, OLD.kind, OLD.amount, OLD.held, OLD.debt, OLD.source, OLD.created_at)
    OR (NEW.reason IS DISTINCT FROM OLD.reason AND NEW.reason IS NOT NULL)
    OR (NEW.actor IS DISTINCT FROM OLD.actor AND NEW.actor IS NOT NULL)
    OR (NEW.key IS DISTINCT FROM OLD.key AND NOT (OLD.key LIKE 'welcome:%' AND NEW.key ~ '^welcome:[0-9a-f]{64}$'))
  THEN
    RAISE EXCEPTION 'ledger: rows are only inserted, % is refused; correct a mistake with another row', TG_OP
      USING ERRCODE = 'restrict_violation', TABLE = 'ledger', CONSTRAINT = 'ledger_append_only';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER ledger_refuse_update BEFORE UPDATE ON ledger
  FOR EACH ROW EXECUTE FUNCTION ledger_refuse_update();
