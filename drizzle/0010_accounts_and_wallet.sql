CREATE TABLE "audit_log" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "audit_log_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"actor" text NOT NULL,
	"action" text NOT NULL,
	"target" text NOT NULL,
	"before" jsonb,
	"after" jsonb,
	"key" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "audit_log_key_unique" UNIQUE("key")
);
--> statement-breakpoint
CREATE TABLE "kept_bans" (
	"identity_hash" text PRIMARY KEY NOT NULL,
	"until" timestamp with time zone,
	"reason" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "link_codes" (
	"hash" text PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "privacy_exports" (
	"hash" text PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "tiers" (
	"name" text PRIMARY KEY NOT NULL,
	"in_flight" integer,
	"per_minute" integer,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "tiers_limits" CHECK ("tiers"."in_flight" >= 1 and "tiers"."per_minute" >= 1)
);
--> statement-breakpoint
CREATE TABLE "code_redemptions" (
	"code_hash" text NOT NULL,
	"user_id" uuid NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "code_redemptions_code_hash_user_id_pk" PRIMARY KEY("code_hash","user_id")
);
--> statement-breakpoint
CREATE TABLE "credit_codes" (
	"hash" text PRIMARY KEY NOT NULL,
	"tail" text NOT NULL,
	"credits" integer NOT NULL,
	"uses" integer NOT NULL,
	"used" integer DEFAULT 0 NOT NULL,
	"expires_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "credit_codes_used" CHECK ("credit_codes"."used" between 0 and "credit_codes"."uses"),
	CONSTRAINT "credit_codes_credits" CHECK ("credit_codes"."credits" >= 1)
);
--> statement-breakpoint
CREATE TABLE "daily_claims" (
	"user_id" uuid NOT NULL,
	"day" date NOT NULL,
	"streak" integer NOT NULL,
	"credits" integer NOT NULL,
	CONSTRAINT "daily_claims_user_id_day_pk" PRIMARY KEY("user_id","day")
);
--> statement-breakpoint
CREATE TABLE "model_switches" (
	"model" text PRIMARY KEY NOT NULL,
	"enabled" boolean NOT NULL,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "orders" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"platform" text NOT NULL,
	"item" text NOT NULL,
	"credits" integer NOT NULL,
	"amount" integer NOT NULL,
	"currency" text NOT NULL,
	"state" text DEFAULT 'open' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "orders_state" CHECK ("orders"."state" in ('open','paid','refunded')),
	CONSTRAINT "orders_credits" CHECK ("orders"."credits" >= 1)
);
--> statement-breakpoint
CREATE TABLE "payments" (
	"charge" text PRIMARY KEY NOT NULL,
	"order_id" uuid NOT NULL,
	"paid_at" timestamp with time zone DEFAULT now() NOT NULL,
	"refunded_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "prices" (
	"model" text NOT NULL,
	"part" text NOT NULL,
	"credits" integer NOT NULL,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "prices_model_part_pk" PRIMARY KEY("model","part"),
	CONSTRAINT "prices_not_negative" CHECK ("prices"."credits" >= 0)
);
--> statement-breakpoint
CREATE TABLE "referral_codes" (
	"code" text PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "referral_codes_user_id_unique" UNIQUE("user_id")
);
--> statement-breakpoint
CREATE TABLE "referrals" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"inviter_id" uuid NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"rewarded_at" timestamp with time zone,
	CONSTRAINT "referrals_of_others" CHECK ("referrals"."user_id" <> "referrals"."inviter_id")
);
--> statement-breakpoint
ALTER TABLE "ledger" DROP CONSTRAINT "ledger_shape";--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "debt" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "banned_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "ban_reason" text;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "joined_into" uuid;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "tier" text;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "in_flight_limit" integer;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "per_minute_limit" integer;--> statement-breakpoint
ALTER TABLE "users" ADD COLUMN "closed_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "payer_id" uuid;--> statement-breakpoint
UPDATE "generations" SET "payer_id" = "user_id";--> statement-breakpoint
ALTER TABLE "generations" ALTER COLUMN "payer_id" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "quote" jsonb;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "cost_micros" bigint;--> statement-breakpoint
ALTER TABLE "ledger" ADD COLUMN "debt" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "ledger" ADD COLUMN "source" text;--> statement-breakpoint
-- The only change of entries ever: it writes down what their keys say already.
ALTER TABLE "ledger" DISABLE TRIGGER ledger_refuse_change;--> statement-breakpoint
UPDATE "ledger" SET "source" = CASE WHEN "key" LIKE 'welcome:%' THEN 'welcome' ELSE 'admin' END WHERE "kind" IN ('grant', 'take');--> statement-breakpoint
ALTER TABLE "ledger" ENABLE TRIGGER ledger_refuse_change;--> statement-breakpoint
ALTER TABLE "link_codes" ADD CONSTRAINT "link_codes_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "privacy_exports" ADD CONSTRAINT "privacy_exports_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "code_redemptions" ADD CONSTRAINT "code_redemptions_code_hash_credit_codes_hash_fk" FOREIGN KEY ("code_hash") REFERENCES "public"."credit_codes"("hash") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "code_redemptions" ADD CONSTRAINT "code_redemptions_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "daily_claims" ADD CONSTRAINT "daily_claims_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "orders" ADD CONSTRAINT "orders_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "payments" ADD CONSTRAINT "payments_order_id_orders_id_fk" FOREIGN KEY ("order_id") REFERENCES "public"."orders"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "referral_codes" ADD CONSTRAINT "referral_codes_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "referrals" ADD CONSTRAINT "referrals_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "referrals" ADD CONSTRAINT "referrals_inviter_id_users_id_fk" FOREIGN KEY ("inviter_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "audit_log_of_target" ON "audit_log" USING btree ("target","id");--> statement-breakpoint
CREATE INDEX "link_codes_of_user" ON "link_codes" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "link_codes_by_expiry" ON "link_codes" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "privacy_exports_of_user" ON "privacy_exports" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "privacy_exports_by_expiry" ON "privacy_exports" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "code_redemptions_of_user" ON "code_redemptions" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "orders_of_user" ON "orders" USING btree ("user_id","id");--> statement-breakpoint
CREATE UNIQUE INDEX "payments_of_order" ON "payments" USING btree ("order_id");--> statement-breakpoint
CREATE INDEX "referrals_of_inviter" ON "referrals" USING btree ("inviter_id");--> statement-breakpoint
ALTER TABLE "users" ADD CONSTRAINT "users_joined_into_users_id_fk" FOREIGN KEY ("joined_into") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "users" ADD CONSTRAINT "users_tier_tiers_name_fk" FOREIGN KEY ("tier") REFERENCES "public"."tiers"("name") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "generations" ADD CONSTRAINT "generations_payer_id_users_id_fk" FOREIGN KEY ("payer_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "users_joined" ON "users" USING btree ("joined_into") WHERE joined_into is not null;--> statement-breakpoint
CREATE INDEX "ledger_of_user_by_source" ON "ledger" USING btree ("user_id","source","id") WHERE source is not null;--> statement-breakpoint
ALTER TABLE "users" ADD CONSTRAINT "users_debt_not_negative" CHECK ("users"."debt" >= 0);--> statement-breakpoint
ALTER TABLE "ledger" ADD CONSTRAINT "ledger_shape" CHECK (case kind
        when 'grant' then amount >= 0 and debt <= 0 and amount - debt > 0 and held = 0 and generation_id is null
        when 'take' then amount <= 0 and debt >= 0 and debt - amount > 0 and held = 0 and generation_id is null
        when 'hold' then amount <= 0 and held = -amount and generation_id is not null
        when 'capture' then amount >= 0 and held <= 0 and amount <= -held and generation_id is not null
        when 'release' then amount >= 0 and held = -amount and generation_id is not null
        else false end and (kind in ('grant', 'take') or debt = 0));
--> statement-breakpoint

-- A grant pays off debt before it adds to the balance. The amount that is inserted is what the grant is worth. The lock makes
-- two grants of one account read its debt one after the other.
CREATE FUNCTION ledger_pay_debt() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  owed integer;
BEGIN
  SELECT least(debt, NEW.amount) INTO owed FROM users WHERE id = NEW.user_id FOR UPDATE;
  IF owed > 0 THEN
    NEW.amount := NEW.amount - owed;
    NEW.debt := NEW.debt - owed;
  END IF;
  RETURN NEW;
END $$;
--> statement-breakpoint
CREATE TRIGGER ledger_pay_debt BEFORE INSERT ON ledger
  FOR EACH ROW WHEN (NEW.kind = 'grant') EXECUTE FUNCTION ledger_pay_debt();
--> statement-breakpoint

-- A request counts as under way for its person, and its credits are the payer's. The person's row is always locked before the
-- payer's and the key's, so that two statements never wait for each other. What comes back to an account that has been joined
-- with another goes on to that one, by entries of its own.
CREATE OR REPLACE FUNCTION ledger_apply() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  step integer := CASE NEW.kind WHEN 'hold' THEN 1 WHEN 'capture' THEN -1 WHEN 'release' THEN -1 ELSE 0 END;
  person uuid;
  heir uuid;
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
  RETURNING joined_into INTO heir;
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
  IF heir IS NOT NULL AND NEW.amount > 0 THEN
    INSERT INTO ledger (user_id, kind, amount, source, key)
      VALUES (NEW.user_id, 'take', -NEW.amount, 'late', 'late:out:' || NEW.id), (heir, 'grant', NEW.amount, 'late', 'late:in:' || NEW.id);
  END IF;
  RETURN NULL;
END $$;
