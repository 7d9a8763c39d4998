ALTER TABLE "users" ADD COLUMN "cleared_at" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "users_to_clear" ON "users" USING btree ("closed_at") WHERE closed_at is not null and cleared_at is null;--> statement-breakpoint
CREATE INDEX "images_by_age" ON "images" USING btree ("created_at","generation_id") WHERE role = 'output' and position = 0;