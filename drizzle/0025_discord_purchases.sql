CREATE TABLE "skus" (
	"id" text PRIMARY KEY NOT NULL,
	"credits" integer NOT NULL,
	"kind" text,
	"available" boolean DEFAULT false NOT NULL,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "skus_id" CHECK ("skus"."id" ~ '^[0-9]{17,20}$'),
	CONSTRAINT "skus_credits" CHECK ("skus"."credits" >= 0),
	CONSTRAINT "skus_kind" CHECK ("skus"."kind" in ('consumable','durable','subscription'))
);
--> statement-breakpoint
ALTER TABLE "payments" ADD COLUMN "purchase" text;--> statement-breakpoint
ALTER TABLE "payments" ADD COLUMN "announced" text;--> statement-breakpoint
CREATE INDEX "payments_of_purchase" ON "payments" USING btree ("purchase","paid_at") WHERE purchase is not null;--> statement-breakpoint
ALTER TABLE "payments" ADD CONSTRAINT "payments_announced" CHECK ("payments"."announced" in ('paid','refunded'));