-- A specialty's posts by what they are: the topic `CODE/cases` holds its cases and polls. News, studies and congresses, which stand in
-- `CODE/news` and so on, came later than the posts that are here already.
INSERT INTO topic_posts (topic, post_id)
    SELECT t.topic || '/cases', t.post_id FROM topic_posts t JOIN posts p ON p.id = t.post_id
    WHERE p.kind IN ('case', 'poll') AND t.topic NOT LIKE '#%' AND t.topic NOT LIKE '%/%'
    ON CONFLICT DO NOTHING;
