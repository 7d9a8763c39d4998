CREATE TABLE "provider_configs" (
	"id" uuid PRIMARY KEY NOT NULL,
	"provider" text NOT NULL,
	"name" text NOT NULL,
	"base_url" text,
	"sealed_key" text,
	"enabled" boolean DEFAULT true NOT NULL,
	"active" boolean DEFAULT false NOT NULL,
	"timeout_seconds" integer,
	"max_concurrent" integer,
	"default_model" text,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL,
	"updated_at" timestamp with time zone DEFAULT now() NOT NULL,
	CONSTRAINT "provider_configs_timeout" CHECK ("provider_configs"."timeout_seconds" between 1 and 3600),
	CONSTRAINT "provider_configs_concurrency" CHECK ("provider_configs"."max_concurrent" between 1 and 1000)
);
--> statement-breakpoint
CREATE TABLE "workflow_packs" (
	"id" text PRIMARY KEY NOT NULL,
	"body" text NOT NULL,
	"created_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "told" jsonb;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "tried" jsonb DEFAULT '[]'::jsonb NOT NULL;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "enhanced" text;--> statement-breakpoint
ALTER TABLE "generations" ADD COLUMN "notes" jsonb;--> statement-breakpoint
CREATE UNIQUE INDEX "provider_configs_one_active" ON "provider_configs" USING btree ("provider") WHERE active;