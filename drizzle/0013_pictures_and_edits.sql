CREATE TABLE "picture_offers" (
	"id" uuid PRIMARY KEY NOT NULL,
	"key" text NOT NULL,
	"user_id" uuid NOT NULL,
	"image" text NOT NULL,
	"width" integer NOT NULL,
	"height" integer NOT NULL,
	"quoted" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	CONSTRAINT "picture_offers_key_unique" UNIQUE("key")
);
--> statement-breakpoint
ALTER TABLE "inbox" ADD COLUMN "said" text;--> statement-breakpoint
ALTER TABLE "picture_offers" ADD CONSTRAINT "picture_offers_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "picture_offers_by_age" ON "picture_offers" USING btree ("expires_at");--> statement-breakpoint
CREATE INDEX "inbox_said" ON "inbox" USING btree ("surface","said") WHERE said is not null;