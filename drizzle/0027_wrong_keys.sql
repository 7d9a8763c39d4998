CREATE TABLE "wrong_keys" (
	"network" text PRIMARY KEY NOT NULL,
	"tries" integer NOT NULL,
	"ends_at" timestamp with time zone NOT NULL,
	"trusted_until" timestamp with time zone
);
--> statement-breakpoint
CREATE INDEX "wrong_keys_over" ON "wrong_keys" USING btree (greatest("ends_at", "trusted_until"));