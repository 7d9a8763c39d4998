CREATE TABLE "panel_links" (
	"hash" text PRIMARY KEY NOT NULL,
	"identity" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"used_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "web_sessions" (
	"hash" text PRIMARY KEY NOT NULL,
	"identity" text NOT NULL,
	"api_key_id" uuid,
	"operator_key" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "chat_calls" (
	"chat" text PRIMARY KEY NOT NULL,
	"calls" timestamp with time zone[] NOT NULL,
	"paused_until" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "inbox_files" (
	"act" text NOT NULL,
	"position" integer NOT NULL,
	"data" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "inbox_files_act_position_pk" PRIMARY KEY("act","position")
);
--> statement-breakpoint
CREATE TABLE "drafts" (
	"id" uuid PRIMARY KEY NOT NULL,
	"key" text NOT NULL,
	"user_id" uuid NOT NULL,
	"posted" text,
	"private" boolean NOT NULL,
	"parent" jsonb,
	"params" jsonb NOT NULL,
	"images" jsonb NOT NULL,
	"enhanced" text,
	"price" integer NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"decided_by" text,
	CONSTRAINT "drafts_key_unique" UNIQUE("key")
);
--> statement-breakpoint
CREATE TABLE "favourites" (
	"user_id" uuid NOT NULL,
	"generation_id" uuid NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "favourites_user_id_generation_id_pk" PRIMARY KEY("user_id","generation_id")
);
--> statement-breakpoint
CREATE TABLE "presses" (
	"key" text PRIMARY KEY NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "ratings" (
	"user_id" uuid NOT NULL,
	"generation_id" uuid NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"value" smallint NOT NULL,
	CONSTRAINT "ratings_user_id_generation_id_pk" PRIMARY KEY("user_id","generation_id"),
	CONSTRAINT "ratings_value" CHECK ("ratings"."value" in (-1, 1))
);
--> statement-breakpoint
CREATE TABLE "reports" (
	"user_id" uuid NOT NULL,
	"generation_id" uuid NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"reason" text DEFAULT '' NOT NULL,
	CONSTRAINT "reports_user_id_generation_id_pk" PRIMARY KEY("user_id","generation_id")
);
--> statement-breakpoint
CREATE TABLE "chat_settings" (
	"chat" text PRIMARY KEY NOT NULL,
	"model" text,
	"aspect" text,
	"count" integer,
	"enhance" text,
	"private" boolean,
	"language" text,
	"original" boolean,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "chat_settings_enhance" CHECK ("chat_settings"."enhance" in ('on', 'off', 'ask')),
	CONSTRAINT "chat_settings_count" CHECK ("chat_settings"."count" >= 1)
);
--> statement-breakpoint
CREATE TABLE "user_settings" (
	"user_id" uuid PRIMARY KEY NOT NULL,
	"model" text,
	"aspect" text,
	"count" integer,
	"enhance" text,
	"private" boolean,
	"language" text,
	"original" boolean,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "user_settings_enhance" CHECK ("user_settings"."enhance" in ('on', 'off', 'ask')),
	CONSTRAINT "user_settings_count" CHECK ("user_settings"."count" >= 1)
);
--> statement-breakpoint
ALTER TABLE "sent_messages" DROP CONSTRAINT "sent_messages_generation_id_surface_part_pk";--> statement-breakpoint
ALTER TABLE "dialogues" ADD COLUMN "sending_to" text;--> statement-breakpoint
ALTER TABLE "dialogues" ADD COLUMN "opened_on" text;--> statement-breakpoint
ALTER TABLE "inbox" ADD COLUMN "length" integer;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "private" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "original" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "quoted" jsonb;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "narrated_place" integer;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "editing_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "sent_messages" ADD COLUMN "message" text;--> statement-breakpoint
ALTER TABLE "sent_messages" ADD COLUMN "asked_by" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "sent_messages" ADD COLUMN "buttons" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "served_lanes" ADD COLUMN "narrated_at" timestamp with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "web_sessions" ADD CONSTRAINT "web_sessions_api_key_id_api_keys_id_fk" FOREIGN KEY ("api_key_id") REFERENCES "public"."api_keys"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "drafts" ADD CONSTRAINT "drafts_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "favourites" ADD CONSTRAINT "favourites_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "favourites" ADD CONSTRAINT "favourites_generation_id_generations_id_fk" FOREIGN KEY ("generation_id") REFERENCES "public"."generations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ratings" ADD CONSTRAINT "ratings_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ratings" ADD CONSTRAINT "ratings_generation_id_generations_id_fk" FOREIGN KEY ("generation_id") REFERENCES "public"."generations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reports" ADD CONSTRAINT "reports_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reports" ADD CONSTRAINT "reports_generation_id_generations_id_fk" FOREIGN KEY ("generation_id") REFERENCES "public"."generations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "user_settings" ADD CONSTRAINT "user_settings_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "panel_links_of_identity" ON "panel_links" USING btree ("identity");--> statement-breakpoint
CREATE INDEX "panel_links_by_expiry" ON "panel_links" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "web_sessions_of_identity" ON "web_sessions" USING btree ("identity");--> statement-breakpoint
CREATE INDEX "web_sessions_by_expiry" ON "web_sessions" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "inbox_files_by_age" ON "inbox_files" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "drafts_by_age" ON "drafts" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "favourites_of_generation" ON "favourites" USING btree ("generation_id");--> statement-breakpoint
CREATE INDEX "presses_by_age" ON "presses" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "ratings_of_generation" ON "ratings" USING btree ("generation_id");--> statement-breakpoint
CREATE INDEX "reports_by_time" ON "reports" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "reports_of_generation" ON "reports" USING btree ("generation_id");--> statement-breakpoint
CREATE INDEX "dialogues_being_sent" ON "dialogues" USING btree ("sending_to") WHERE sending_to is not null;--> statement-breakpoint
CREATE INDEX "generations_by_short_id" ON "generations" USING btree ("user_id",right("id"::text, 8));--> statement-breakpoint
CREATE UNIQUE INDEX "sent_messages_once" ON "sent_messages" USING btree ("generation_id","surface","asked_by","part");--> statement-breakpoint
CREATE INDEX "sent_messages_by_message" ON "sent_messages" USING btree ("surface","message");