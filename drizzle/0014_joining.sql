CREATE TABLE "link_tries" (
	"key" text PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "link_codes" ADD COLUMN "used_by" text;--> statement-breakpoint
ALTER TABLE "link_tries" ADD CONSTRAINT "link_tries_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "link_tries_of_user" ON "link_tries" USING btree ("user_id","created_at");--> statement-breakpoint

-- What a statement adds for an account while it is being joined with another belongs to the other one. The lock waits for the
-- end of the joining.
CREATE FUNCTION belongs_to_heir() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  heir uuid;
BEGIN
  SELECT joined_into INTO heir FROM users WHERE id = NEW.user_id FOR KEY SHARE;
  NEW.user_id := coalesce(heir, NEW.user_id);
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON api_keys FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON code_redemptions FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON daily_claims FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON drafts FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON favourites FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON link_codes FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON link_tries FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON picture_offers FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON privacy_exports FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON ratings FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON referrals FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON reports FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON uploads FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint
CREATE TRIGGER belongs_to_heir BEFORE INSERT ON user_settings FOR EACH ROW EXECUTE FUNCTION belongs_to_heir();
--> statement-breakpoint

-- Like before, and: an account that was joined with another may owe a part of its welcome grant, because requests under way
-- hold it. What these requests cost is spent and no longer owed. What they give back pays the rest before it goes on.
CREATE OR REPLACE FUNCTION ledger_apply() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  step integer := CASE NEW.kind WHEN 'hold' THEN 1 WHEN 'capture' THEN -1 WHEN 'release' THEN -1 ELSE 0 END;
  cost integer := CASE WHEN NEW.kind IN ('capture', 'release') THEN -NEW.held - NEW.amount ELSE 0 END;
  person uuid;
  heir uuid;
  owed integer;
  kept integer;
BEGIN
  IF NEW.generation_id IS NOT NULL THEN
    SELECT user_id INTO person FROM generations WHERE id = NEW.generation_id;
    IF person <> NEW.user_id THEN
      UPDATE users SET in_flight = in_flight + step WHERE id = person;
      step := 0;
    END IF;
  END IF;
  UPDATE users SET
    balance = balance + NEW.amount,
    held = held + NEW.held,
    debt = debt + NEW.debt,
    in_flight = in_flight + step
  WHERE id = NEW.user_id
  RETURNING joined_into, debt INTO heir, owed;
  IF NEW.generation_id IS NOT NULL THEN
    UPDATE api_keys k SET
      spent = CASE WHEN k.spent_month >= g.month THEN k.spent ELSE 0 END - NEW.amount,
      spent_month = greatest(k.spent_month, g.month)
    FROM (
      SELECT api_key_id, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM') AS month
      FROM generations WHERE id = NEW.generation_id AND api_key_id IS NOT NULL
    ) g
    WHERE k.id = g.api_key_id AND (NEW.kind = 'hold' OR k.spent_month = g.month);
  END IF;
  IF heir IS NOT NULL AND NEW.kind IN ('grant', 'capture', 'release') THEN
    kept := least(greatest(owed - cost, 0), NEW.amount);
    IF owed > 0 AND cost + NEW.amount > 0 THEN
      INSERT INTO ledger (user_id, kind, amount, debt, source, key)
        VALUES (NEW.user_id, 'grant', 0, -least(owed, cost + NEW.amount), 'late', 'late:owed:' || NEW.id);
    END IF;
    IF NEW.amount > 0 THEN
      INSERT INTO ledger (user_id, kind, amount, source, key)
        VALUES (NEW.user_id, 'take', -NEW.amount, 'late', 'late:out:' || NEW.id);
    END IF;
    IF NEW.amount > kept THEN
      INSERT INTO ledger (user_id, kind, amount, source, key)
        VALUES (heir, 'grant', NEW.amount - kept, 'late', 'late:in:' || NEW.id);
    END IF;
  END IF;
  RETURN NULL;
END $$;
--> statement-breakpoint

-- A ban that names an account while it is being joined with another holds for the other one.
CREATE FUNCTION ban_heir() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE users SET banned = true, banned_until = NEW.banned_until, ban_reason = NEW.ban_reason WHERE id = NEW.joined_into;
  RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER ban_heir AFTER UPDATE OF banned ON users
  FOR EACH ROW WHEN (NEW.banned AND NOT OLD.banned AND NEW.joined_into IS NOT NULL) EXECUTE FUNCTION ban_heir();
