ALTER TABLE "users" ADD COLUMN "code_pace_at" timestamp with time zone;--> statement-breakpoint
ALTER TABLE "referrals" ADD COLUMN "picture_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "referrals_due" ON "referrals" USING btree ("picture_at") WHERE picture_at is not null and rewarded_at is null;