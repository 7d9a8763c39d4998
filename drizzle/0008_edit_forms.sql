CREATE TABLE "dialogues" (
	"question" text PRIMARY KEY NOT NULL,
	"person" text NOT NULL,
	"form" text NOT NULL,
	"expires_at" timestamp with time zone NOT NULL,
	"answered_by" text
);
--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "channel" text;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "parent_id" uuid;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "parent_button" text;--> statement-breakpoint
CREATE INDEX "dialogues_by_age" ON "dialogues" USING btree ("expires_at");--> statement-breakpoint
ALTER TABLE "generations" ADD CONSTRAINT "generations_parent_id_generations_id_fk" FOREIGN KEY ("parent_id") REFERENCES "public"."generations"("id") ON DELETE no action ON UPDATE no action;