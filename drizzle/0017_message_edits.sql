DROP INDEX "inbox_said";--> statement-breakpoint
ALTER TABLE "inbox" ADD COLUMN "message" text;--> statement-breakpoint
CREATE INDEX "inbox_messages" ON "inbox" USING btree ("surface","message") WHERE message is not null;