CREATE TABLE "api_keys" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"name" text NOT NULL,
	"hash" text NOT NULL,
	"tail" text NOT NULL,
	"monthly_cap" integer,
	"models" jsonb,
	"spent" integer DEFAULT 0 NOT NULL,
	"spent_month" text DEFAULT '' NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"used_at" timestamp with time zone,
	"revoked_at" timestamp with time zone,
	CONSTRAINT "api_keys_hash_unique" UNIQUE("hash"),
	CONSTRAINT "api_keys_cap" CHECK ("api_keys"."monthly_cap" >= 1),
	CONSTRAINT "api_keys_within_cap" CHECK ("api_keys"."spent" between 0 and coalesce("api_keys"."monthly_cap", "api_keys"."spent"))
);
--> statement-breakpoint
CREATE TABLE "api_progress" (
	"generation_id" uuid PRIMARY KEY NOT NULL,
	"percent" integer,
	"preview" "bytea",
	"updated" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "api_requests" (
	"key" text PRIMARY KEY NOT NULL,
	"body_hash" text NOT NULL,
	"status" text NOT NULL,
	"response" jsonb,
	"generation_ids" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "api_key_id" uuid;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "webhook_url" text;--> statement-breakpoint
ALTER TABLE "api_keys" ADD CONSTRAINT "api_keys_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "api_progress" ADD CONSTRAINT "api_progress_generation_id_generations_id_fk" FOREIGN KEY ("generation_id") REFERENCES "public"."generations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "api_keys_of_user" ON "api_keys" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "api_requests_by_age" ON "api_requests" USING btree ("created_at");--> statement-breakpoint
ALTER TABLE "generations" ADD CONSTRAINT "generations_api_key_id_api_keys_id_fk" FOREIGN KEY ("api_key_id") REFERENCES "public"."api_keys"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint

-- What a key has spent moves with the ledger, in the same statement: the update locks the key's row, so requests at once
-- cannot pass the cap together, and the one that would fails on api_keys_within_cap. Always after the person's row, so
-- that two statements never wait for each other. The month never goes back: a hold that waited over midnight counts in the new one. What ends in a later month than it was held in changes nothing.
CREATE OR REPLACE FUNCTION ledger_apply() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE users SET
    balance = balance + NEW.amount,
    held = held + NEW.held,
    in_flight = in_flight + CASE NEW.kind WHEN 'hold' THEN 1 WHEN 'capture' THEN -1 WHEN 'release' THEN -1 ELSE 0 END
  WHERE id = NEW.user_id;
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
  RETURN NULL;
END $$;
