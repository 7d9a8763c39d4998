CREATE TABLE "inbox_files" (
	"act" text NOT NULL,
	"position" integer NOT NULL,
	"data" "bytea" NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "inbox_files_act_position_pk" PRIMARY KEY("act","position")
);
--> statement-breakpoint
CREATE INDEX "inbox_files_by_age" ON "inbox_files" USING btree ("created_at");