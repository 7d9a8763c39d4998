CREATE TABLE "provider_failures" (
	"settings" text PRIMARY KEY NOT NULL,
	"failed" jsonb NOT NULL,
	"rests_until" timestamp with time zone NOT NULL
);
