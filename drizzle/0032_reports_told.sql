-- Existing reports are due, too: administrators have seen none. Those older than a day are given up by the first sweep (core/results/reports.ts).
ALTER TABLE "reports" ADD COLUMN "due_at" timestamp with time zone DEFAULT now();--> statement-breakpoint
ALTER TABLE "reports" ADD COLUMN "told" text[] DEFAULT '{}' NOT NULL;--> statement-breakpoint
CREATE INDEX "reports_due" ON "reports" USING btree ("due_at") WHERE due_at is not null;