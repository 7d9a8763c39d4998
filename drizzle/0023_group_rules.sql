CREATE TABLE "role_claims" (
	"chat" text NOT NULL,
	"user_id" uuid NOT NULL,
	"day" date NOT NULL,
	"member" text NOT NULL,
	"credits" integer NOT NULL,
	CONSTRAINT "role_claims_chat_day_member_pk" PRIMARY KEY("chat","day","member")
);
--> statement-breakpoint
CREATE TABLE "chat_rules" (
	"chat" text PRIMARY KEY NOT NULL,
	"channels" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"models" jsonb,
	"roles" jsonb DEFAULT '{}'::jsonb NOT NULL,
	"nsfw" boolean DEFAULT false NOT NULL,
	"changed_at" timestamp with time zone DEFAULT now() NOT NULL
);
--> statement-breakpoint
ALTER TABLE "images" ADD COLUMN "flagged" boolean DEFAULT false NOT NULL;--> statement-breakpoint
ALTER TABLE "role_claims" ADD CONSTRAINT "role_claims_user_id_users_id_fk" FOREIGN KEY ("user_id") REFERENCES "public"."users"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "role_claims_of_user" ON "role_claims" USING btree ("user_id","day");--> statement-breakpoint
CREATE INDEX "role_claims_of_member" ON "role_claims" USING btree ("member","day");--> statement-breakpoint
CREATE INDEX "role_claims_by_age" ON "role_claims" USING btree ("day");