CREATE TABLE "discord_invalid_requests" (
	"minute" timestamp with time zone PRIMARY KEY NOT NULL,
	"requests" integer NOT NULL
);
