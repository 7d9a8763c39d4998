ALTER TABLE "web_messages" ADD COLUMN "sealed" text;--> statement-breakpoint
ALTER TABLE "web_messages" ADD COLUMN "sealed_until" timestamp with time zone;--> statement-breakpoint
CREATE INDEX "web_messages_sealed" ON "web_messages" USING btree ("sealed_until") WHERE sealed_until is not null;--> statement-breakpoint
-- Codes that give credits work for long, and conversations keep them no more.
UPDATE "web_messages" SET "body" = jsonb_set("body", '{text}', to_jsonb(regexp_replace("body"->>'text', '^(\s*/\S+\s+)\S.*$', '\1••••')))
WHERE "body"->>'role' = 'person' AND "body"->>'text' ~* '^\s*/redeem\s+\S';
