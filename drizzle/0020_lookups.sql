CREATE INDEX "identities_by_lower_id" ON "identities" USING btree (lower("id"));--> statement-breakpoint
CREATE INDEX "generations_by_short_id_alone" ON "generations" USING btree (right("id"::text, 8));--> statement-breakpoint
CREATE INDEX "generations_of_channel" ON "generations" USING btree ("surface","channel") WHERE channel is not null;