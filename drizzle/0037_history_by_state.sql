-- Every failed request says why, so that the index has all of them. Some that could not be delivered did not.
UPDATE "generations" SET "error" = 'internal' WHERE "state" = 'failed' AND "error" IS NULL;--> statement-breakpoint
CREATE INDEX "generations_of_user_unsuccessful" ON "generations" USING btree ("user_id","id") WHERE error is not null;