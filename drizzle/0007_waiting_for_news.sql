ALTER TABLE "generations" ADD COLUMN "request_id" text;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "searches" integer DEFAULT 0 NOT NULL;--> statement-breakpoint
CREATE INDEX "generations_overdue" ON "generations" USING btree ("deadline_at") WHERE state in ('queued','running','stored');