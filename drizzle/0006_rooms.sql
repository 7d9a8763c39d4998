CREATE TABLE "object_deletions" (
	"generation_id" uuid PRIMARY KEY NOT NULL,
	"pictures" integer NOT NULL,
	"final_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
CREATE TABLE "sent_messages" (
	"generation_id" uuid NOT NULL,
	"surface" text NOT NULL,
	"posted" text NOT NULL,
	"part" integer NOT NULL,
	"file_ids" jsonb DEFAULT '[]'::jsonb NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "sent_messages_generation_id_surface_part_pk" PRIMARY KEY("generation_id","surface","part")
);
--> statement-breakpoint
CREATE TABLE "served_lanes" (
	"lane" text PRIMARY KEY NOT NULL,
	"served_at" timestamp with time zone NOT NULL
);
--> statement-breakpoint
ALTER TABLE "generations" RENAME COLUMN "told" TO "webhook_message";--> statement-breakpoint
DROP INDEX "generations_of_user_by_surface";--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "surface" text;--> statement-breakpoint
UPDATE "generations" SET "surface" = split_part("address", ':', 1);--> statement-breakpoint
ALTER TABLE "generations" ALTER COLUMN "surface" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "watched" boolean DEFAULT false NOT NULL;--> statement-breakpoint
UPDATE "generations" SET "watched" = true WHERE "surface" = 'api' AND "state" IN ('queued', 'running', 'stored');--> statement-breakpoint
ALTER TABLE "inbox" ADD COLUMN "position" bigint NOT NULL GENERATED ALWAYS AS IDENTITY (sequence name "inbox_position_seq" INCREMENT BY 1 MINVALUE 1 MAXVALUE 9223372036854775807 START WITH 1 CACHE 1);--> statement-breakpoint
ALTER TABLE "inbox" ADD COLUMN "surface" text;--> statement-breakpoint
ALTER TABLE "inbox" ADD COLUMN "lane" text;--> statement-breakpoint
ALTER TABLE "inbox" ADD COLUMN "album" text;--> statement-breakpoint
UPDATE "inbox" SET "surface" = split_part("key", ':', 1) || ':' || split_part("key", ':', 2),
  "lane" = concat_ws(':', "body"#>>'{message,chat,id}', "body"#>>'{message,from,id}'),
  "album" = ("body"#>>'{message,chat,id}') || ':' || ("body"#>>'{message,media_group_id}');--> statement-breakpoint
ALTER TABLE "inbox" ALTER COLUMN "surface" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "inbox" ALTER COLUMN "lane" SET NOT NULL;--> statement-breakpoint
ALTER TABLE "inbox" ADD COLUMN "due_at" timestamp with time zone DEFAULT now() NOT NULL;--> statement-breakpoint
ALTER TABLE "inbox" ADD COLUMN "claimed_until" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "object_deletions" ADD CONSTRAINT "object_deletions_generation_id_generations_id_fk" FOREIGN KEY ("generation_id") REFERENCES "public"."generations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "sent_messages" ADD CONSTRAINT "sent_messages_generation_id_generations_id_fk" FOREIGN KEY ("generation_id") REFERENCES "public"."generations"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "object_deletions_by_time" ON "object_deletions" USING btree ("final_at");--> statement-breakpoint
CREATE INDEX "inbox_unhandled" ON "inbox" USING btree ("surface","lane","position") WHERE handled_at is null;--> statement-breakpoint
CREATE INDEX "inbox_by_age" ON "inbox" USING btree ("received_at");--> statement-breakpoint
CREATE INDEX "inbox_albums" ON "inbox" USING btree ("surface","album") WHERE album is not null;--> statement-breakpoint
CREATE INDEX "generations_of_user_by_surface" ON "generations" USING btree ("user_id","surface","id");--> statement-breakpoint
INSERT INTO "object_deletions" ("generation_id", "pictures", "final_at")
  SELECT g.id, max(f.value::int), now() FROM "facts" f
  JOIN "generations" g ON g.id::text = CASE WHEN f.name LIKE 'erased: %' THEN substr(f.name, 9) ELSE substr(f.name, 11) END
  WHERE f.name LIKE 'erased: %' OR f.name LIKE 'leftover: %' GROUP BY g.id;--> statement-breakpoint
DELETE FROM "facts" WHERE name LIKE 'erased: %' OR name LIKE 'leftover: %' OR name LIKE 'lane served: %';
