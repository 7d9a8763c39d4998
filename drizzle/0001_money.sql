-- Money moves by inserting into "ledger" and in no other way. These triggers keep "users" in step with it.

-- A hold is resolved by giving back or keeping exactly what it put aside, for the same person.
CREATE FUNCTION ledger_check_hold() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NOT EXISTS (
    SELECT 1 FROM ledger
    WHERE generation_id = NEW.generation_id AND kind = 'hold' AND user_id = NEW.user_id AND held = -NEW.held
  ) THEN
    RAISE EXCEPTION 'ledger: % for generation % has no matching hold', NEW.kind, NEW.generation_id
      USING ERRCODE = 'check_violation', TABLE = 'ledger', CONSTRAINT = 'ledger_needs_hold';
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER ledger_check_hold BEFORE INSERT ON ledger
  FOR EACH ROW WHEN (NEW.kind IN ('capture', 'release')) EXECUTE FUNCTION ledger_check_hold();
--> statement-breakpoint

-- The update locks the person's row, so two holds at once cannot both spend the last credit: the second one fails
-- on users_balance_not_negative.
CREATE FUNCTION ledger_apply() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE users SET
    balance = balance + NEW.amount,
    held = held + NEW.held,
    in_flight = in_flight + CASE NEW.kind WHEN 'hold' THEN 1 WHEN 'capture' THEN -1 WHEN 'release' THEN -1 ELSE 0 END
  WHERE id = NEW.user_id;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER ledger_apply AFTER INSERT ON ledger FOR EACH ROW EXECUTE FUNCTION ledger_apply();
--> statement-breakpoint

CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'ledger: rows are only inserted, % is refused; correct a mistake with another row', TG_OP
    USING ERRCODE = 'restrict_violation', TABLE = 'ledger', CONSTRAINT = 'ledger_append_only';
END $$;
--> statement-breakpoint
CREATE TRIGGER ledger_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
  FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
