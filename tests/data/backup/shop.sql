--
-- PostgreSQL database dump
--

\restrict Jdp4aWAWy3V6iXcansMCpy596rHigFNlmSwTHj4iq9wm70MDOuhvMmIPF1NSTDZ

-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: empty_one; Type: TABLE; Schema: public; Owner: tocsin
--

CREATE TABLE public.empty_one (
    id integer
);


ALTER TABLE public.empty_one OWNER TO tocsin;

--
-- Name: student; Type: TABLE; Schema: public; Owner: tocsin
--

CREATE TABLE public.student (
    id integer NOT NULL,
    name text
);


ALTER TABLE public.student OWNER TO tocsin;

--
-- Name: 4711; Type: BLOB; Schema: -; Owner: tocsin
--

SELECT pg_catalog.lo_create('4711');


ALTER LARGE OBJECT 4711 OWNER TO tocsin;

--
-- Data for Name: empty_one; Type: TABLE DATA; Schema: public; Owner: tocsin
--

COPY public.empty_one (id) FROM stdin;
\.


--
-- Data for Name: student; Type: TABLE DATA; Schema: public; Owner: tocsin
--

COPY public.student (id, name) FROM stdin;
1	name 1
2	name 2
3	name 3
4	name 4
5	name 5
6	name 6
7	name 7
8	name 8
9	name 9
10	name 10
11	name 11
12	name 12
13	name 13
14	name 14
15	name 15
16	name 16
17	name 17
18	name 18
19	name 19
20	name 20
21	name 21
22	name 22
23	name 23
24	name 24
25	name 25
26	name 26
27	name 27
28	name 28
29	name 29
30	name 30
31	name 31
32	name 32
33	name 33
34	name 34
35	name 35
36	name 36
37	name 37
38	name 38
39	name 39
40	name 40
\.


--
-- Data for Name: BLOBS; Type: BLOBS; Schema: -; Owner: -
--

BEGIN;

SELECT pg_catalog.lo_open('4711', 131072);
SELECT pg_catalog.lowrite(0, '\x6c61726765');
SELECT pg_catalog.lo_close(0);

COMMIT;

--
-- Name: student student_pkey; Type: CONSTRAINT; Schema: public; Owner: tocsin
--

ALTER TABLE ONLY public.student
    ADD CONSTRAINT student_pkey PRIMARY KEY (id);


--
-- PostgreSQL database dump complete
--

\unrestrict Jdp4aWAWy3V6iXcansMCpy596rHigFNlmSwTHj4iq9wm70MDOuhvMmIPF1NSTDZ

