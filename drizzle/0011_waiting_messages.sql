CREATE TABLE "chat_calls" (
	"chat" text PRIMARY KEY NOT NULL,
	"calls" timestamp with time zone[] NOT NULL,
	"paused_until" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "narrated_place" integer;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "editing_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "served_lanes" ADD COLUMN "narrated_at" timestamp with time zone DEFAULT now() NOT NULL;