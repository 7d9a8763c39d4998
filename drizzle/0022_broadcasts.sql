CREATE TABLE "broadcast_recipients" (
	"broadcast_id" uuid NOT NULL,
	"person" text NOT NULL,
	"state" text DEFAULT 'waiting' NOT NULL,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "broadcast_recipients_broadcast_id_person_pk" PRIMARY KEY("broadcast_id","person"),
	CONSTRAINT "broadcast_recipients_state" CHECK ("broadcast_recipients"."state" in ('waiting','sending','sent','blocked','gone','failed','unknown','skipped'))
);
--> statement-breakpoint
CREATE TABLE "broadcasts" (
	"id" uuid PRIMARY KEY NOT NULL,
	"key" text NOT NULL,
	"surface" text NOT NULL,
	"text" text NOT NULL,
	"audience" text NOT NULL,
	"state" text DEFAULT 'draft' NOT NULL,
	"asked_by" text NOT NULL,
	"locale" text NOT NULL,
	"posted" text,
	"shown" text,
	"not_before" timestamp with time zone,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"started_at" timestamp with time zone,
	"ended_at" timestamp with time zone,
	CONSTRAINT "broadcasts_key_unique" UNIQUE("key"),
	CONSTRAINT "broadcasts_state" CHECK ("broadcasts"."state" in ('draft','running','paused','done','stopped'))
);
--> statement-breakpoint
CREATE TABLE "private_chats" (
	"person" text PRIMARY KEY NOT NULL,
	"locale" text NOT NULL,
	"seen_at" timestamp with time zone DEFAULT now() NOT NULL,
	"blocked_at" timestamp with time zone
);
--> statement-breakpoint
ALTER TABLE "user_settings" ADD COLUMN "announcements" boolean;--> statement-breakpoint
ALTER TABLE "broadcast_recipients" ADD CONSTRAINT "broadcast_recipients_broadcast_id_broadcasts_id_fk" FOREIGN KEY ("broadcast_id") REFERENCES "public"."broadcasts"("id") ON DELETE cascade ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "broadcast_recipients_waiting" ON "broadcast_recipients" USING btree ("broadcast_id","person") WHERE state = 'waiting';--> statement-breakpoint
CREATE INDEX "broadcast_recipients_sending" ON "broadcast_recipients" USING btree ("broadcast_id") WHERE state = 'sending';--> statement-breakpoint
CREATE INDEX "broadcast_recipients_of_person" ON "broadcast_recipients" USING btree ("person");--> statement-breakpoint
CREATE INDEX "broadcasts_under_way" ON "broadcasts" USING btree ("started_at") WHERE state in ('running','paused');--> statement-breakpoint
CREATE INDEX "broadcasts_by_age" ON "broadcasts" USING btree ("created_at");--> statement-breakpoint

-- Who has written in private was not kept before. Those who have not refuse their first announcement, which is then remembered.
INSERT INTO "private_chats" ("person", "locale", "seen_at")
SELECT i.id, coalesce(last.locale, 'en'), greatest(i.created_at, last.created_at)
FROM identities i
LEFT JOIN LATERAL (
  SELECT g.locale, g.created_at FROM generations g
  WHERE g.user_id = i.user_id AND g.surface = 'telegram' ORDER BY g.user_id DESC, g.id DESC LIMIT 1) last ON true
WHERE i.id ~ '^telegram:[0-9]+$';
