CREATE TABLE "facts" (
	"name" text PRIMARY KEY NOT NULL,
	"value" text NOT NULL
);
--> statement-breakpoint
CREATE TABLE "generations" (
	"id" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"key" text NOT NULL,
	"state" text DEFAULT 'queued' NOT NULL,
	"address" text NOT NULL,
	"posted" text,
	"locale" text NOT NULL,
	"model" text NOT NULL,
	"provider" text NOT NULL,
	"endpoint" text NOT NULL,
	"request" jsonb NOT NULL,
	"price" integer NOT NULL,
	"priority" integer NOT NULL,
	"attempt" integer DEFAULT 0 NOT NULL,
	"lease_until" timestamp with time zone,
	"wake_at" timestamp with time zone NOT NULL,
	"deadline_at" timestamp with time zone NOT NULL,
	"submit_at" timestamp with time zone,
	"ticket" jsonb,
	"seed" text,
	"error" text,
	"error_data" jsonb,
	"delivery_tries" integer DEFAULT 0 NOT NULL,
	"narrated_at" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp with time zone,
	"stored_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	CONSTRAINT "generations_key_unique" UNIQUE("key"),
	CONSTRAINT "generations_state" CHECK ("generations"."state" in ('queued','running','stored','delivered','failed','cancelled'))
);
--> statement-breakpoint
CREATE TABLE "identities" (
	"id" text PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"name" text NOT NULL,
	"handle" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "images" (
	"key" text PRIMARY KEY NOT NULL,
	"generation_id" uuid NOT NULL,
	"role" text NOT NULL,
	"position" integer NOT NULL,
	"type" text NOT NULL,
	"width" integer NOT NULL,
	"height" integer NOT NULL,
	"bytes" integer NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "images_of_generation" UNIQUE("generation_id","role","position")
);
--> statement-breakpoint
CREATE TABLE "inbox" (
	"key" text PRIMARY KEY NOT NULL,
	"body" jsonb NOT NULL,
	"received_at" timestamp with time zone DEFAULT now() NOT NULL,
	"handled_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "ledger" (
	"id" bigint PRIMARY KEY GENERATED ALWAYS AS IDENTITY (sequence name "ledger_id_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1),
	"user_id" uuid NOT NULL,
	"generation_id" uuid,
	"kind" text NOT NULL,
	"amount" integer NOT NULL,
	"held" integer DEFAULT 0 NOT NULL,
	"reason" text,
	"actor" text,
	"key" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "ledger_key_unique" UNIQUE("key"),
	CONSTRAINT "ledger_once" UNIQUE("generation_id","kind"),
	CONSTRAINT "ledger_shape" CHECK (case kind
        when 'grant' then amount > 0 and held = 0 and generation_id is null
        when 'take' then amount < 0 and held = 0 and generation_id is null
        when 'hold' then amount <= 0 and held = -amount and generation_id is not null
        when 'capture' then amount >= 0 and held <= 0 and amount <= -held and generation_id is not null
        when 'release' then amount >= 0 and held = -amount and generation_id is not null
        else false end)
);
--> statement-breakpoint
CREATE TABLE "users" (
	"id" uuid PRIMARY KEY NOT NULL,
	"name" text NOT NULL,
	"balance" integer DEFAULT 0 NOT NULL,
	"held" integer DEFAULT 0 NOT NULL,
	"in_flight" integer DEFAULT 0 NOT NULL,
	"pace_at" timestamp with time zone DEFAULT now() NOT NULL,
	"banned" boolean DEFAULT false NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "users_balance_not_negative" CHECK ("users"."balance" >= 0),
	CONSTRAINT "users_held_not_negative" CHECK ("users"."held" >= 0),
	CONSTRAINT "users_in_flight_not_negative" CHECK ("users"."in_flight" >= 0)
);
--> statement-breakpoint
CREATE TABLE "web_messages" (
	"id" text PRIMARY KEY NOT NULL,
	"visitor" text NOT NULL,
	"version" bigint NOT NULL,
	"body" jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "generations" ADD CONSTRAINT "generations_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "identities" ADD CONSTRAINT "identities_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "images" ADD CONSTRAINT "images_generation_id_generations_id_fk" FOREIGN KEY ("generation_id") REFERENCES "public"."generations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ledger" ADD CONSTRAINT "ledger_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ledger" ADD CONSTRAINT "ledger_generation_id_generations_id_fk" FOREIGN KEY ("generation_id") REFERENCES "public"."generations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "generations_of_user" ON "generations" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "generations_to_wake" ON "generations" USING btree ("wake_at") WHERE state in ('queued','running','stored');--> statement-breakpoint
CREATE INDEX "generations_queued" ON "generations" USING btree ("provider","priority","id") WHERE state = 'queued';--> statement-breakpoint
CREATE INDEX "identities_user" ON "identities" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "identities_handle" ON "identities" USING btree ("handle");--> statement-breakpoint
CREATE UNIQUE INDEX "ledger_one_resolution" ON "ledger" USING btree ("generation_id") WHERE kind in ('capture','release');--> statement-breakpoint
CREATE INDEX "ledger_of_user" ON "ledger" USING btree ("user_id","id");--> statement-breakpoint
CREATE INDEX "web_messages_of_visitor" ON "web_messages" USING btree ("visitor","version");