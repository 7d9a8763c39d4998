CREATE TABLE "favourites" (
	"user_id" uuid NOT NULL,
	"generation_id" uuid NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "favourites_user_id_generation_id_pk" PRIMARY KEY("user_id","generation_id")
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
ALTER TABLE "generations" ADD COLUMN "private" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "quoted" jsonb;--> statement-breakpoint
ALTER TABLE "favourites" ADD CONSTRAINT "favourites_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "favourites" ADD CONSTRAINT "favourites_generation_id_generations_id_fk" FOREIGN KEY ("generation_id") REFERENCES "public"."generations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ratings" ADD CONSTRAINT "ratings_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "ratings" ADD CONSTRAINT "ratings_generation_id_generations_id_fk" FOREIGN KEY ("generation_id") REFERENCES "public"."generations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reports" ADD CONSTRAINT "reports_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "reports" ADD CONSTRAINT "reports_generation_id_generations_id_fk" FOREIGN KEY ("generation_id") REFERENCES "public"."generations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "user_settings" ADD CONSTRAINT "user_settings_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "favourites_of_generation" ON "favourites" USING btree ("generation_id");--> statement-breakpoint
CREATE INDEX "ratings_of_generation" ON "ratings" USING btree ("generation_id");--> statement-breakpoint
CREATE INDEX "reports_by_time" ON "reports" USING btree ("created_at");--> statement-breakpoint
CREATE INDEX "reports_of_generation" ON "reports" USING btree ("generation_id");--> statement-breakpoint
CREATE INDEX "generations_by_short_id" ON "generations" USING btree ("user_id",right("id"::text, 8));