CREATE TABLE "drafts" (
	"id" uuid PRIMARY KEY NOT NULL,
	"key" text NOT NULL,
	"user_id" uuid NOT NULL,
	"address" text NOT NULL,
	"posted" text,
	"private" boolean NOT NULL,
	"params" jsonb NOT NULL,
	"images" jsonb NOT NULL,
	"enhanced" text,
	"price" integer NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"decided_by" text,
	CONSTRAINT "drafts_key_unique" UNIQUE("key")
);
--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "original" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "drafts" ADD CONSTRAINT "drafts_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "drafts_by_age" ON "drafts" USING btree ("expires_at");