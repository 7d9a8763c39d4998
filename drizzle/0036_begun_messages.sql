CREATE TABLE "begun_messages" (
	"generation_id" uuid NOT NULL,
	"surface" text NOT NULL,
	"asked_by" text DEFAULT '' NOT NULL,
	"part" integer NOT NULL,
	"begun_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "begun_messages_generation_id_surface_asked_by_part_pk" PRIMARY KEY("generation_id","surface","asked_by","part")
);
--> statement-breakpoint
ALTER TABLE "begun_messages" ADD CONSTRAINT "begun_messages_generation_id_generations_id_fk" FOREIGN KEY ("generation_id") REFERENCES "public"."generations"("id") ON DELETE no action ON UPDATE no action;