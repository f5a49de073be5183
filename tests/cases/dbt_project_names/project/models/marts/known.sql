{{ config(alias='who') }} select id from {{ ref('persons') }}
