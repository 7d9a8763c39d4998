CREATE TABLE "presses" (
	"key" text PRIMARY KEY NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "sent_messages" DROP CONSTRAINT "sent_messages_generation_id_surface_part_pk";--> statement-breakpoint
ALTER TABLE "sent_messages" ADD COLUMN "message" text;--> statement-breakpoint
ALTER TABLE "sent_messages" ADD COLUMN "asked_by" text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE "sent_messages" ADD COLUMN "buttons" boolean DEFAULT false NOT NULL;--> statement-breakpoint
CREATE INDEX "presses_by_age" ON "presses" USING btree ("created_at");--> statement-breakpoint
CREATE UNIQUE INDEX "sent_messages_once" ON "sent_messages" USING btree ("generation_id","surface","asked_by","part");--> statement-breakpoint
CREATE INDEX "sent_messages_by_message" ON "sent_messages" USING btree ("surface","message");