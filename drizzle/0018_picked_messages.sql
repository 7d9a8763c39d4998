CREATE TABLE "picked_messages" (
	"ref" text PRIMARY KEY NOT NULL,
	"person" text NOT NULL,
	"picked" jsonb NOT NULL,
	"expires_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "picked_messages_by_age" ON "picked_messages" USING btree ("expires_at");