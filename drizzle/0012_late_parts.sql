ALTER TABLE "dialogues" ADD COLUMN "sending_to" text;--> statement-breakpoint
ALTER TABLE "inbox" ADD COLUMN "length" integer;--> statement-breakpoint
CREATE INDEX "dialogues_being_sent" ON "dialogues" USING btree ("sending_to") WHERE sending_to is not null;